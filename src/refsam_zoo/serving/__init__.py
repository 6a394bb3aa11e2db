"""The web page: visitors bring a clip, ask for things in it in words, watch the masks and take results home."""
