"""One local page over all models: what serves, what waits, how it does; and where one decides."""
