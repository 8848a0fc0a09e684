import { CoverageReport as AnyCoverageReport } from './generated/models/coverage-report';
import { LineView } from './generated/models/line-view';
import { RunView } from './generated/models/run-view';
import { ScheduleView } from './generated/models/schedule-view';

export type { AttemptView as Attempt } from './generated/models/attempt-view';
export type { BackfillPlan } from './generated/models/backfill-plan';
export type { BackfillState } from './generated/models/backfill-state';
export type { BackfillView } from './generated/models/backfill-view';
export type { BackfillWindow } from './generated/models/backfill-window';
export type { AuditView } from './generated/models/audit-view';
export type { Verification } from './generated/models/verification';
export type { RunVerification } from './generated/models/run-verification';
export type { VerifiedState } from './generated/models/verified-state';
export type { ColumnProfile } from './generated/models/column-profile';
export type { RunProfile } from './generated/models/run-profile';
export type { ProfileView } from './generated/models/profile-view';
export type { CheckResult } from './generated/models/check-result';
export type { CheckSample } from './generated/models/check-sample';
export type { CheckState } from './generated/models/check-state';
export type { ConfigView } from './generated/models/config-view';
export type { CreatedToken } from './generated/models/created-token';
export type { CatchUp } from './generated/models/catch-up';
export type { CreateSchedule } from './generated/models/create-schedule';
export type { FieldProblem } from './generated/models/field-problem';
export type { KnownHostView } from './generated/models/known-host-view';
export type { QuarantinePage } from './generated/models/quarantine-page';
export type { QuarantineReason } from './generated/models/quarantine-reason';
export type { QuarantinedRow } from './generated/models/quarantined-row';
export type { Outcome } from './generated/models/outcome';
export { OUTCOME } from './generated/models/outcome-array';
export type { Overlap } from './generated/models/overlap';
export type { RunKind } from './generated/models/run-kind';
export { RUN_KIND } from './generated/models/run-kind-array';
export type { RunState } from './generated/models/run-state';
export { RUN_STATE } from './generated/models/run-state-array';
export type { ScheduleState } from './generated/models/schedule-state';
export type { Stage } from './generated/models/stage';
export type { Trigger } from './generated/models/trigger';
export type { MaskedConfig } from './generated/models/masked-config';
export type { RunProgress } from './generated/models/run-progress';
export type { Drift } from './generated/models/drift';
export type { FileReceipt } from './generated/models/file-receipt';
export type { LeftOut } from './generated/models/left-out';
export type { Choice } from './generated/models/choice';
export type { PreviewColumn } from './generated/models/preview-column';
export type { PreviewUrl } from './generated/models/preview-url';
export type { SourcePreview } from './generated/models/source-preview';
export type { ProbeReport } from './generated/models/probe-report';
export type { Rejections } from './generated/models/rejections';
export type { PauseView } from './generated/models/pause-view';
export type { IncidentView } from './generated/models/incident-view';
export type { Lineage } from './generated/models/lineage';
export type { PipelineDetail } from './generated/models/pipeline-detail';
export type { RecentRun } from './generated/models/recent-run';
export type { PipelineView } from './generated/models/pipeline-view';
export type { QueueView } from './generated/models/queue-view';
export type { RetentionView } from './generated/models/retention-view';
export type { RetriedRuns } from './generated/models/retried-runs';
export type { RetryRuns } from './generated/models/retry-runs';
export type { RunReport } from './generated/models/run-report';
export type { SourceCursor } from './generated/models/source-cursor';
export type { Stages } from './generated/models/stages';
export type { ChannelView } from './generated/models/channel-view';
export type { NotificationView } from './generated/models/notification-view';
export type { PutChannel } from './generated/models/put-channel';
export type { LoadedTableView } from './generated/models/loaded-table-view';
export type { SavedFilterView } from './generated/models/saved-filter-view';
export type { ShareView } from './generated/models/share-view';
export type { SharedTableView } from './generated/models/shared-table-view';
export type { TableReport } from './generated/models/table-report';
export type { PutSecret } from './generated/models/put-secret';
export type { SecretView } from './generated/models/secret-view';
export type { StartBackfill } from './generated/models/start-backfill';
export type { StartKind } from './generated/models/start-kind';
export type { Timing } from './generated/models/timing';
export type { Unwanted } from './generated/models/unwanted';
export type { TokenScope } from './generated/models/token-scope';
export type { TokenView } from './generated/models/token-view';
export type { UploadAnswer } from './generated/models/upload-answer';
export type { UserView } from './generated/models/user-view';
export type { Validation } from './generated/models/validation';
export type { WorkerView } from './generated/models/worker-view';

export type Run = RunView;
export type LogLine = LineView;
export type Schedule = ScheduleView;

/** A page of a list; `next` leads to the one after it. */
export interface Page<T> {
  data: T[];
  next?: string | null;
}

/** Covered lines and all lines, as coverage.py counts them. */
export interface CoverageTotals {
  covered_lines: number;
  num_statements: number;
  missing_lines: number;
  percent_covered: number;
  percent_covered_display: string;
}

/** A coverage report in coverage.py's shape. */
export type CoverageReport = AnyCoverageReport & {
  totals: CoverageTotals;
  files: Record<string, { summary: CoverageTotals }>;
};
