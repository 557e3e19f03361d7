"""What came of the runs: scores, statistics, the board, and the audit of the published protocol."""
