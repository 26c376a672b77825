"""History replayed under several policies of retraining."""
