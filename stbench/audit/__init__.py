"""The published protocol, run on any dataset."""
