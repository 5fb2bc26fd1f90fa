"""The study of a trained family: how its mistakes change with size, in float and as deployed. docs/scaling.md.

A family (``family``) goes in, frozen results come out; each topic is one module, and none reads a file but ``family``.

    family     read_family(folder, target, data, family=, mixed=) -> Family
    members    family_of(setting, ids, models) -> Family; common(reference=, deployed=) -> both with the same models
               Family: setting, ids, models, missing, differences; widths, params, images, labels, told(key)
               Width: member, label, params, models, seeds, wrong; Trained: model, params, seed, outcome, error, run,
               training
    estimate   Interval: low, high, over ("seeds", "images", "widths"), method, caution
               Estimate: value, intervals (the one to quote first); best, low, high
    law        error_law(family) -> ErrorLaw: points, alpha, r2, local, curvature, saturation
               law_change(reference=, deployed=) -> Estimate, of alpha
    overlap    error_overlap(family) -> Overlaps: ends, neighbours (each an Overlap), same_width (each a SeedNoise)
    other_seed other_seed(small, large) -> OtherSeed: the nested baseline that has the noise of the seeds in it
    curves     curve(family, metric) -> Curve: metric, points (label, params, seeds, estimate, deviation), trend
    peak       calibration_peak(family) -> Peak: an inverted U of the ECE, or not, or not decided
    giving_up  given_up(family) -> GivenUp: superclasses and classes, smallest against largest
    cost       quantization_cost(reference=, deployed=) -> QuantizationCost: by width; trends; redistribution
    exemplars  exemplars(reference=, deployed=) -> Exemplars: ids that flip in all seeds, against what chance gives
    ranks      rank_stability(reference=, deployed=) -> RankStability: of classes in a model, of members in the family
    scaling    scaling(deployed, reference=) -> Scaling: all of the above; to_json()
"""
