"""What is done with a data set before training: it is looked at, copied into shards, its features are computed."""
