"""Step 2, analysis: the snapshot's profile, and the data contract that it keeps."""
