"""Reading videos and masks, choosing clips, augmenting them. Nothing here knows a data set or Lightning."""
