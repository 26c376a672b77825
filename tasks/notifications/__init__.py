"""Notifications: what people are told of a model, where, and when again."""
