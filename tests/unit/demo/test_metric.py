from runbook.demo.metric import Registry, parse


def test_what_is_rendered_is_read_back() -> None:
    registry = Registry()
    registry.counter("orders_total", "Orders.", '{result="ok"}', '{result="failed"}')
    registry.gauge("pool_max", "Places.", lambda: 50)
    registry.count("orders_total", '{result="ok"}')
    registry.count("orders_total", '{result="ok"}', by=2)

    samples = parse(registry.render())

    assert samples == {'orders_total{result="ok"}': 3.0, 'orders_total{result="failed"}': 0.0, "pool_max": 50.0}


def test_a_gauge_without_data_publishes_no_sample() -> None:
    registry = Registry()
    registry.gauge("failure_ratio", "Part that failed.", lambda: None)

    assert parse(registry.render()) == {}


def test_a_histogram_counts_cumulatively() -> None:
    registry = Registry()
    registry.histogram("seconds", "Time.")
    for seconds in (0.004, 0.2, 99.0):
        registry.observe("seconds", seconds)

    samples = parse(registry.render())

    assert samples['seconds_bucket{le="0.005"}'] == 1
    assert samples['seconds_bucket{le="0.25"}'] == 2
    assert samples['seconds_bucket{le="5.0"}'] == 2
    assert samples['seconds_bucket{le="+Inf"}'] == 3
    assert samples["seconds_count"] == 3
    assert samples["seconds_sum"] == 99.204


def test_lines_that_are_no_samples_are_passed_over() -> None:
    assert parse('# HELP a b\n\nnonsense\na 1\nb x\nc{d="e"} 2 1395066363000\n') == {"a": 1.0, 'c{d="e"}': 2.0}
