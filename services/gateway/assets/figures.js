// Bars beside their tables. Everything that is drawn stands in the table next to it; without scripts there is no chart, and
// nothing is missing.
"use strict";

// Where bars begin on a logarithmic axis: one is seen, and nothing is not.
const BEGIN = 0.5;

const styles = getComputedStyle(document.documentElement);
const color = (name) => styles.getPropertyValue(`--chart-${name}`).trim();
const font = { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: color("ink") };

function series(chart, at) {
  const { name, color: tint, values, texts } = chart.series[at];
  const last = at === chart.series.length - 1;
  return {
    name,
    type: "bar",
    stack: chart.stack ? "all" : undefined,
    // On a logarithmic axis nothing has no place: it is told where bars begin.
    data: values.map((value) => (chart.log && value !== null ? Math.max(value, BEGIN) : value)),
    itemStyle: { color: color(tint) },
    barMaxWidth: 14,
    barGap: "10%",
    label: {
      show: !chart.stack || last,
      position: "right",
      ...font,
      formatter: ({ dataIndex }) => (chart.stack ? sum(chart, dataIndex) : texts[dataIndex]),
    },
  };
}

function sum(chart, at) {
  return chart.series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0);
}

function draw(place) {
  const chart = JSON.parse(place.dataset.chart);
  const bars = chart.stack ? 1 : chart.series.length;
  // Without scripts the place stays hidden; it must have a width before anything is drawn.
  place.classList.add("drawn");
  place.style.height = `${chart.names.length * (bars * 15 + 12) + 40}px`;
  const drawn = echarts.init(place, null, { renderer: "canvas" });
  drawn.setOption({
    animation: false,
    textStyle: font,
    grid: { left: 4, right: 64, top: 6, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow" },
      renderMode: "richText",
      confine: true,
      textStyle: font,
      formatter: (shown) => {
        const at = shown[0].dataIndex;
        return [chart.names[at], ...chart.series.map(({ name, texts }) => `${name}  ${texts[at] || "—"}`)].join("\n");
      },
    },
    xAxis: {
      type: chart.log ? "log" : "value",
      min: chart.log ? BEGIN : undefined,
      startValue: chart.log ? BEGIN : undefined,
      minInterval: chart.unit ? undefined : 1,
      axisLabel: { ...font, hideOverlap: true, formatter: (value) => (chart.log && value < 1 ? "" : `${value}${chart.unit}`) },
      splitLine: { lineStyle: { color: color("line") } },
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: chart.names,
      axisTick: { show: false },
      axisLabel: { ...font, width: 190, overflow: "truncate", interval: 0 },
    },
    series: chart.series.map((_, at) => series(chart, at)),
  });
  addEventListener("resize", () => drawn.resize());
}

document.querySelectorAll("[data-chart]").forEach(draw);
