"""What a figure can and cannot show: paired tests, intervals, sample sizes. Pure numpy and scipy."""
