import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterRenderEffect,
  inject,
  input,
  viewChild,
} from '@angular/core';
import { BarChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, TooltipComponent } from 'echarts/components';
import { EChartsCoreOption, ECharts, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, LineChart, GridComponent, TooltipComponent, AriaComponent, SVGRenderer]);

/** A bar or line chart in the page's colours. Load it with `@defer`, because the library is large. */
@Component({
  selector: 'app-chart',
  template: `<div #canvas class="canvas" role="img" [attr.aria-label]="label()"></div>`,
  styles: `
    .canvas {
      width: 100%;
      height: var(--chart-height, 220px);
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Chart {
  private readonly canvas = viewChild.required<ElementRef<HTMLElement>>('canvas');

  readonly options = input.required<EChartsCoreOption>();
  readonly label = input.required<string>();

  private chart: ECharts | undefined;
  private resized: ResizeObserver | undefined;

  constructor() {
    afterRenderEffect(() => {
      this.chart ??= this.open();
      this.chart.setOption(themed(this.options()), { notMerge: true });
    });
    inject(DestroyRef).onDestroy(() => {
      this.resized?.disconnect();
      this.chart?.dispose();
    });
  }

  private open(): ECharts {
    const element = this.canvas().nativeElement;
    const chart = init(element, undefined, { renderer: 'svg' });
    this.resized = new ResizeObserver(() => chart.resize());
    this.resized.observe(element);
    return chart;
  }
}

// SVG understands the page's custom properties, so a change of theme needs no new drawing.
const axis = {
  axisLine: { show: false },
  axisTick: { show: false },
  axisLabel: { color: 'var(--muted)', fontFamily: 'var(--font)', fontSize: 11.5 },
  splitLine: { lineStyle: { color: 'var(--border)' } },
};

function mergeAxis(own: object, asked: unknown): object {
  const { axisLabel, ...rest } = asked as { axisLabel?: object };
  return { ...axis, ...own, ...rest, axisLabel: { ...axis.axisLabel, ...axisLabel } };
}

function themed(options: EChartsCoreOption): EChartsCoreOption {
  const { xAxis, yAxis, tooltip } = options;
  return {
    animationDuration: 300,
    color: ['var(--accent)', 'var(--good)', 'var(--warn)'],
    grid: { left: 4, right: 8, top: 12, bottom: 2, outerBoundsMode: 'same' },
    ...options,
    xAxis: mergeAxis({ splitLine: { show: false } }, xAxis),
    yAxis: mergeAxis({}, yAxis),
    // Rich text draws the tooltip as a part of the SVG, which needs no HTML and no inline styles.
    tooltip: {
      trigger: 'axis',
      renderMode: 'richText',
      confine: true,
      backgroundColor: 'var(--surface)',
      borderColor: 'var(--border)',
      textStyle: { color: 'var(--text)', fontFamily: 'var(--font)', fontSize: 12.5 },
      axisPointer: { type: 'shadow', shadowStyle: { color: 'var(--surface-3)', opacity: 0.5 } },
      ...(tooltip as object),
    },
  };
}
