"""What the PostgreSQL sink is made of: connections and their errors, the tables, the ledger, and the modes."""
