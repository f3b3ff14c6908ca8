"""Which pictures do people prefer: a blind two-choice comparison, and its statistics. See docs/study.md."""
