"""What is wrong with a set of training pictures: measures, fingerprints, findings, reports."""
