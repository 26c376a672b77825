"""The bento: one service for every model, and what only serving needs."""
