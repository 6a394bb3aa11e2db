"""From a referral to a batch: sampling, decoding, augmentation, collation, loaders."""
