"""Medians of the rounds, the table for people, the JSON for later."""
import json
import statistics

from . import subjects

COLUMNS = [
    # key, heading, format
    ("transactions_per_second", "tx/s", "{:,.0f}"),
    ("latency_ms", "mean ms", "{:.2f}"),
    ("p50_ms", "p50 ms", "{:.2f}"),
    ("p99_ms", "p99 ms", "{:.2f}"),
    ("p99_to_p50", "p99 : p50", "{:.2f}"),
    ("p99_alone_ms", "p99 alone", "{:.2f}"),
    ("p99_growth", "p99 : alone", "{:.2f}"),
    ("cpu_us", "CPU us/tx", "{:,.1f}"),
    ("off_weights", "off weights", "{:.1%}"),
    ("servers", "servers", "{:.0f}"),
    ("idle_bytes", "idle B/client", "{:,.0f}"),
    ("used_bytes", "after a query", "{:,.0f}"),
    ("memory_kb", "memory MB", None),
]

# A figure's name in the heading of a ratio.
SHORT = {
    "transactions_per_second": "tx/s", "cpu_us": "CPU", "p50_ms": "p50", "p99_ms": "p99", "idle_bytes": "idle", "used_bytes": "used",
}

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


def references(workload, results):
    """What ratios are to: heading -> (medians, the subjects that are compared with it, the figures that are)."""
    there = {name: figures for name, figures in results.items() if figures}
    found = {}
    if "pgbouncer" in there:
        found["PgBouncer"] = (there["pgbouncer"], set(there), None)
    relays = [figures for name, figures in there.items() if subjects.is_relay(name)]
    if relays and workload.floor:
        floor = min(relays, key=lambda figures: figures["cpu_us"])
        found["relay"] = (floor, set(there) - {"direct"}, ["cpu_us"])
    ours = {name for name in there if subjects.is_pgweir(name)}
    if "pgweir" in there and len(ours) > 1:
        found["pgweir"] = (there["pgweir"], ours, None)
    return found


def ratios(workload, results):
    """Heading -> subject's name -> text."""
    columns = {}
    for heading, (reference, compared, only) in references(workload, results).items():
        for key in workload.ratios:
            if not reference.get(key) or (only and key not in only):
                continue
            columns[f"{SHORT[key]} : {heading}"] = {
                name: f"{results[name][key] / reference[key]:.2f}" for name in compared if key in results[name]
            }
    return columns


def table(workload, results):
    """Lines of one workload's table. results: subject's name -> medians, or None when it failed."""
    rows = dict(results)
    if workload.name in DEPLOYMENTS:
        rows["deployments"] = DEPLOYMENTS[workload.name]
    shown = [c for c in COLUMNS if any(figures and c[0] in figures for figures in rows.values())]
    compared = ratios(workload, results)
    lines = [[""] + [heading for _, heading, _ in shown] + list(compared)]
    for name, figures in rows.items():
        if figures is None:
            lines.append([name, "failed"] + [""] * (len(lines[0]) - 2))
            continue
        line = [name] + [cell(key, template, figures.get(key)) for key, _, template in shown]
        lines.append(line + [column.get(name, "") for column in compared.values()])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [f"{workload.name}: {workload.about}"]
    for line in lines:
        text.append("  " + line[0].ljust(widths[0]) + "".join("  " + c.rjust(w) for c, w in zip(line[1:], widths[1:])))
    return text


def write_json(path, run):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1) + "\n")
