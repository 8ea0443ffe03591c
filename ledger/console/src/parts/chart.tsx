/** Charts over the steps of a window: drawn by Chart.js, which is loaded when the first one is shown. */
import type { Chart as ChartJs, ChartConfiguration, ChartDataset } from "chart.js";
import { useEffect, useRef, useState } from "preact/hooks";
import { approximate, formatAmount } from "../format/amount";
import { theme } from "../state/theme";

/** A row of figures, one a step; null: there is none, and nothing is drawn. */
export interface Series {
  name: string;
  values: (bigint | null)[];
  /** Which colour of the palette; -1: grey. */
  colour: number;
  /** A line in front of the stacked bars. */
  line?: "solid" | "dashed";
}

/** A step: what stands under it, and its whole name. */
export interface Step {
  label: string;
  title: string;
}

interface Props {
  /** What is drawn, for those who do not see it; a table with the same figures is below each chart. */
  label: string;
  steps: Step[];
  series: Series[];
  exponent: number;
  unit: string;
  /** Called with first and last step when some are chosen by dragging, or one by a click. */
  onZoom?: (first: number, last: number) => void;
}

const HEIGHT_PX = 280;

function style(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of a series. */
export function colourName(colour: number): string {
  return colour < 0 ? "--series-rest" : `--series-${(colour % 10) + 1}`;
}

function dataset(series: Series, exponent: number): ChartDataset<"bar" | "line"> {
  const colour = style(series.line && series.colour < 0 ? "--ink" : colourName(series.colour));
  const data = series.values.map((value) => (value === null ? null : approximate(value, exponent)));
  if (series.line) {
    return {
      type: "line",
      label: series.name,
      data,
      borderColor: colour,
      backgroundColor: colour,
      borderWidth: 2,
      pointRadius: data.length > 2 ? 0 : 4,
      pointHitRadius: 8,
      order: 0,
      stack: series.name,
      ...(series.line === "dashed" && { borderDash: [6, 4] }),
    };
  }
  const surface = style("--surface");
  return {
    type: "bar",
    label: series.name,
    data,
    backgroundColor: colour,
    stack: "bars",
    order: 1,
    borderColor: surface,
    borderWidth: { top: 1 },
    borderSkipped: false,
    categoryPercentage: 0.92,
    barPercentage: 0.94,
    maxBarThickness: 72,
  };
}

function configuration({ steps, series, exponent, unit }: Props): ChartConfiguration<"bar" | "line"> {
  const ink = style("--muted");
  const rule = style("--rule");
  return {
    type: "bar",
    data: { labels: steps.map((step) => step.label), datasets: series.map((one) => dataset(one, exponent)) },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          stacked: true,
          grid: { display: false },
          border: { color: rule },
          ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 },
        },
        y: {
          stacked: true,
          beginAtZero: true,
          grid: { color: rule },
          border: { display: false },
          ticks: { color: ink, maxTicksLimit: 6 },
          title: { display: unit !== "", text: unit, color: ink },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          itemSort: (a, b) => b.datasetIndex - a.datasetIndex,
          filter: (item) => series[item.datasetIndex]?.values[item.dataIndex] !== 0n,
          callbacks: {
            title: (items) => steps[items[0]?.dataIndex ?? -1]?.title ?? "",
            label: (item) => {
              const value = series[item.datasetIndex]?.values[item.dataIndex] ?? 0n;
              return ` ${item.dataset.label ?? ""}: ${formatAmount(value, exponent)} ${unit}`;
            },
          },
        },
      },
    },
  };
}

/** The step below a point of the canvas. */
function stepAt(chart: ChartJs, x: number, count: number): number {
  const at = Math.round(chart.scales["x"]?.getValueForPixel(x) ?? 0);
  return Math.max(0, Math.min(count - 1, at));
}

/** A chart with stacked bars, and lines in front of them. */
export function StepChart(props: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const marked = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartJs>(undefined);
  const [drawn, setDrawn] = useState(false);
  const latest = useRef(props);
  latest.current = props;
  const colours = theme.value;
  const { steps, series, exponent, unit } = props;
  useEffect(() => {
    let gone = false;
    void import("./chart-library").then(({ Chart }) => {
      if (gone || !canvas.current) return;
      chart.current?.destroy();
      chart.current = new Chart(canvas.current, configuration(latest.current));
      setDrawn(true);
    });
    return () => {
      gone = true;
    };
  }, [steps, series, exponent, unit, colours]);
  useEffect(() => () => chart.current?.destroy(), []);
  const begin = (down: PointerEvent): void => {
    const area = canvas.current;
    if (!area || !props.onZoom || down.button !== 0) return;
    followDrag(area, down, marked.current, (from, to) => {
      const { current } = chart;
      if (!current) return;
      const count = latest.current.steps.length;
      latest.current.onZoom?.(stepAt(current, from, count), stepAt(current, to, count));
    });
  };
  return (
    <div class={props.onZoom ? "chart zoomable" : "chart"} aria-busy={!drawn}>
      <canvas ref={canvas} height={HEIGHT_PX} role="img" aria-label={props.label} onPointerDown={begin} />
      <div class="marked" ref={marked} hidden />
    </div>
  );
}

/** Marks what is dragged over, and tells both ends, the left one first, when the pointer is up. */
function followDrag(
  area: HTMLElement,
  down: PointerEvent,
  mark: HTMLElement | null,
  done: (from: number, to: number) => void,
): void {
  const left = area.getBoundingClientRect().left;
  const start = down.clientX - left;
  area.setPointerCapture(down.pointerId);
  const move = (event: PointerEvent): void => {
    const at = event.clientX - left;
    if (!mark || Math.abs(at - start) < 4) return;
    mark.hidden = false;
    mark.style.left = `${Math.min(start, at)}px`;
    mark.style.width = `${Math.abs(at - start)}px`;
  };
  const stop = (event: PointerEvent): void => {
    area.removeEventListener("pointermove", move);
    area.removeEventListener("pointerup", stop);
    area.removeEventListener("pointercancel", stop);
    if (mark) mark.hidden = true;
    const at = event.clientX - left;
    if (event.type === "pointerup") done(Math.min(start, at), Math.max(start, at));
  };
  area.addEventListener("pointermove", move);
  area.addEventListener("pointerup", stop);
  area.addEventListener("pointercancel", stop);
}
