"""Step 6, validation: the gate between candidate and champion."""
