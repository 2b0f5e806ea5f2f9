"""Tables to numbers: means with intervals, derived numbers, paired comparisons. No torch."""
