import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Buckets in seconds, from 1 ms to 30 s. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30,
];

export type CounterMetric<L extends string> = {
  add(labels: Record<L, string>, value?: number): void;
};
export type HistogramMetric<L extends string> = {
  observe(labels: Record<L, string>, seconds: number): void;
};

/** One registry for an app; names are `<prefix>_<part>_<what>_<unit>`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #prefix: string;

  constructor(prefix: string, options: { process?: boolean } = {}) {
    this.#prefix = prefix;
    if (options.process ?? true) collectDefaultMetrics({ register: this.#registry });
  }

  counter<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[] = [],
  ): CounterMetric<L> {
    const counter = new Counter({
      name: `${this.#prefix}_${name}`,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
    });
    return { add: (values, value = 1) => counter.inc(values, value) };
  }

  /** A value read when somebody asks. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `${this.#prefix}_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[] = [],
  ): HistogramMetric<L> {
    const histogram = new Histogram({
      name: `${this.#prefix}_${name}`,
      help,
      labelNames: [...labels],
      buckets: [...LATENCY_BUCKETS],
      registers: [this.#registry],
    });
    return { observe: (values, seconds) => histogram.observe(values, seconds) };
  }

  /** Prometheus text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The same as `{name: "type value"}`, what `admin_getMetrics` answers. */
  async values(prefix = ''): Promise<Record<string, string>> {
    const out: Record<string, string> = {};
    for (const metric of await this.#registry.getMetricsAsJSON()) {
      if (!metric.name.startsWith(prefix)) continue;
      for (const { value, labels } of metric.values) {
        const suffix = Object.values(labels).join('.');
        out[suffix ? `${metric.name}.${suffix}` : metric.name] = `${metric.type} ${value}`;
      }
    }
    return out;
  }
}
