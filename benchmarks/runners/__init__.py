"""Where transfers run, measured: in the loop, in one worker process, in two."""
