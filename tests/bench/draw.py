"""draw.py FOLDER < JSON: a plot per area of what was measured beside a peer, and one per cost that grows."""
import collections
import json
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402


def ratios(folder, area, rows):
    """Each row's ratio as a bar, with its goal as a mark."""
    names = [f"{row['what']} : {row['beside']}" for row in rows]
    figure, axes = plt.subplots(figsize=(11, 0.6 + 0.32 * len(rows)))
    colours = {True: "tab:green", False: "tab:red", None: "tab:gray"}
    axes.barh(range(len(rows)), [row["ratio"] for row in rows], color=[colours[row["met"]] for row in rows])
    for at, row in enumerate(rows):
        for goal in (row["goal"] or {}).values():
            axes.plot([goal, goal], [at - 0.4, at + 0.4], color="black")
    axes.axvline(1.0, color="black", linewidth=0.5, linestyle="dotted")
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("bartizan : the other (the black mark is the goal)")
    figure.tight_layout()
    figure.savefig(folder / f"{area}.svg")
    plt.close(figure)


def growth(folder, plot, points):
    points.sort(key=lambda point: point["x"])
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.plot([point["x"] for point in points], [point["y"] for point in points], marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(points[0]["x_unit"])
    axes.set_ylabel(points[0]["y_unit"])
    axes.set_title(plot, fontsize=9)
    figure.tight_layout()
    figure.savefig(folder / (re.sub(r"[^a-z0-9]+", "-", plot.lower()).strip("-") + ".svg"))
    plt.close(figure)


def main():
    folder, told = pathlib.Path(sys.argv[1]), json.load(sys.stdin)
    areas, plots = collections.defaultdict(list), collections.defaultdict(list)
    for row in told["rows"]:
        if "ratio" in row:
            areas[row["area"]].append(row)
    for point in told["points"]:
        plots[point["plot"]].append(point)
    for area, rows in areas.items():
        ratios(folder, area, rows)
    for plot, points in plots.items():
        growth(folder, plot, points)


main()
