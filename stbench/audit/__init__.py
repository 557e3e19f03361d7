"""The audit: scores of the published protocol on any dataset."""
