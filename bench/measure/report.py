"""Medians of the rounds, the table for people, the JSON for later."""
import json
import statistics

COLUMNS = [
    # key, heading, format
    ("transactions_per_second", "tx/s", "{:,.0f}"),
    ("latency_ms", "mean ms", "{:.2f}"),
    ("p50_ms", "p50 ms", "{:.2f}"),
    ("p99_ms", "p99 ms", "{:.2f}"),
    ("cpu_us", "CPU us/tx", "{:,.1f}"),
    ("servers", "servers", "{:.0f}"),
    ("idle_bytes", "idle B/client", "{:,.0f}"),
    ("used_bytes", "after a query", "{:,.0f}"),
    ("memory_kb", "memory MB", None),
]

# What the operators of three deployments had measured with PgBouncer 1.24.1, on machines of their own. 3,571 a second is
# also what one client reaches whose query takes 0.28 ms, so they stand beside that workload too.
DEPLOYMENTS = {
    "single": {"transactions_per_second": 3571, "latency_ms": 0.28},
    "saturated": {"transactions_per_second": 3571, "servers": 9, "memory_kb": "5-10"},
    "deployment": {"transactions_per_second": 3571, "latency_ms": 0.28, "servers": 9, "memory_kb": "5-10"},
}


def medians(rounds):
    keys = {key for figures in rounds for key in figures}
    return {key: statistics.median(figures[key] for figures in rounds if key in figures) for key in keys}


def cell(key, template, value):
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value / 1024:.1f}" if key == "memory_kb" else template.format(value)


def ratio(figures, reference, key):
    if not figures or not reference or not reference.get(key) or key not in figures:
        return ""
    return f"{figures[key] / reference[key]:.2f}"


def table(workload, results):
    """Lines of one workload's table. results: subject's name -> medians, or None when it failed."""
    rows = dict(results)
    if workload.name in DEPLOYMENTS:
        rows["deployments"] = DEPLOYMENTS[workload.name]
    reference = results.get("pgbouncer")
    shown = [c for c in COLUMNS if any(figures and c[0] in figures for figures in rows.values())]
    head = [""] + [heading for _, heading, _ in shown]
    if reference:
        head += ["tx/s : PgBouncer", "CPU : PgBouncer"] if "transactions_per_second" in reference else ["idle : PgBouncer"]
    lines = [head]
    for name, figures in rows.items():
        if figures is None:
            lines.append([name, "failed"] + [""] * (len(head) - 2))
            continue
        line = [name] + [cell(key, template, figures.get(key)) for key, _, template in shown]
        if reference:
            keys = ["transactions_per_second", "cpu_us"] if "transactions_per_second" in reference else ["idle_bytes"]
            line += [ratio(figures, reference, key) if name in results else "" for key in keys]
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [f"{workload.name}: {workload.about}"]
    for line in lines:
        text.append("  " + line[0].ljust(widths[0]) + "".join("  " + c.rjust(w) for c, w in zip(line[1:], widths[1:])))
    return text


def write_json(path, run):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1) + "\n")
