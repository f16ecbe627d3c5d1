"""What every benchmark needs: a server, cases in processes of their own, rows that are counted, tables and plots."""
