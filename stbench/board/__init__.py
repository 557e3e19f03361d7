"""From the runs of a results folder to the numbers and tables that every leaderboard shows."""
