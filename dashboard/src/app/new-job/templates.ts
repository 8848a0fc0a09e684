/** A config to begin with. */
export interface Template {
  label: string;
  yaml: string;
}

export const TEMPLATES: readonly Template[] = [
  {
    label: 'Files in a folder',
    yaml: `# Every .csv, .json, .ndjson and .txt in the folder, also compressed.
name: people
sources:
  - type: local
    path: ./data/input_files
target:
  table: people
`,
  },
  {
    label: 'An HTTP API',
    yaml: `name: customers
sources:
  - type: api
    url: https://api.example.com/v1/customers
    auth_token: \${env:CUSTOMERS_TOKEN}
    records: $.data[*]
    pagination: { type: cursor, cursor_path: $.next, cursor_param: cursor }
target:
  table: customers
load:
  mode: merge
  key: [id]
`,
  },
  {
    label: 'An SFTP server',
    yaml: `name: orders
sources:
  - type: sftp
    host: sftp.example.com
    username: feed
    password: \${env:FEED_PASSWORD}
    path: /out/*.csv
target:
  table: orders
`,
  },
  {
    label: 'With a schema and a schedule',
    yaml: `name: orders
sources:
  - type: local
    path: ./data/orders
target:
  table: orders
schema:
  columns:
    id: { type: int64, nullable: false }
    ordered: { type: date, format: "%d/%m/%Y" }
    amount: { type: "decimal(18,2)", min: 0 }
strict_mode: true
on_bad_row: quarantine
schedule:
  cron: "0 6 * * 1-5"
  timezone: Europe/Berlin
monitor: { enabled: false }
`,
  },
];
