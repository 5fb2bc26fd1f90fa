"""What a figure can and cannot show: paired tests, intervals, resampling, sample sizes. Pure numpy and scipy."""
