"""The commands of `perennial`: what each takes, and which flow or step it calls."""
