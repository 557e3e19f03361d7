"""What the user asks for: read once, checked and typed from then on."""
