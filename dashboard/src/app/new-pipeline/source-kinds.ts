import { IconName } from '../shared/icon-names';

/** A field of the form of a source: one key of its YAML. */
export interface SourceField {
  key: string;
  /** Other names that a config may have for the key. */
  aliases?: string[];
  label: string;
  /** `secret`: one of the stored secrets; `flag`: true or missing. */
  input: 'text' | 'number' | 'secret' | 'flag' | 'choice';
  required?: boolean;
  example?: string;
  /** Values of a choice, with their words. */
  choices?: [value: string, words: string][];
}

export interface SourceKind {
  type: string;
  label: string;
  icon: IconName;
  words: string;
  fields: SourceField[];
}

const TOKEN: SourceField = {
  key: 'auth_token',
  aliases: ['token'],
  label: 'Token, if it needs one',
  input: 'secret',
};

/** The kinds of sources that the form can write. Every other kind is written in the YAML. */
export const SOURCE_KINDS: readonly SourceKind[] = [
  {
    type: 'local',
    label: 'Folder',
    icon: 'folder',
    words: 'Files that the workers can read on their own disks.',
    fields: [
      {
        key: 'path',
        aliases: ['folder', 'folder_path', 'directory'],
        label: 'Folder, file or pattern',
        input: 'text',
        required: true,
        example: './data/orders or /srv/in/*.csv',
      },
      { key: 'recursive', label: 'Also look into the folders below', input: 'flag' },
    ],
  },
  {
    type: 'inbox',
    label: 'Upload',
    icon: 'upload',
    words: 'Files that you and others upload to the pipeline.',
    fields: [],
  },
  {
    type: 'sftp',
    label: 'SFTP',
    icon: 'server',
    words:
      'Files on an SFTP server. Its host key is kept at the first contact, and a changed one is refused.',
    fields: [
      { key: 'host', label: 'Host', input: 'text', required: true, example: 'sftp.example.com' },
      { key: 'port', label: 'Port', input: 'number', example: '22' },
      { key: 'username', aliases: ['user'], label: 'Account', input: 'text', required: true },
      {
        key: 'path',
        aliases: ['remote_path'],
        label: 'Folder, file or pattern',
        input: 'text',
        required: true,
        example: '/out/*.csv',
      },
      { key: 'password', label: 'Password', input: 'secret' },
      { key: 'private_key', label: 'Private key', input: 'secret' },
    ],
  },
  {
    type: 'http',
    label: 'Web file',
    icon: 'link',
    words: 'A file at an address, such as a CSV for download.',
    fields: [
      {
        key: 'url',
        aliases: ['urls'],
        label: 'Address of the file',
        input: 'text',
        required: true,
        example: 'https://example.com/orders.csv',
      },
      TOKEN,
    ],
  },
  {
    type: 'api',
    label: 'HTTP API',
    icon: 'plug',
    words: 'Rows that an API answers with as JSON. The preview finds out how it pages.',
    fields: [
      {
        key: 'url',
        aliases: ['endpoint'],
        label: 'Address of the rows',
        input: 'text',
        required: true,
        example: 'https://api.example.com/v1/orders',
      },
      TOKEN,
    ],
  },
  {
    type: 's3',
    label: 'Bucket',
    icon: 'database',
    words: 'Objects in a bucket of S3. The keys for gs:// and az:// are written in the YAML.',
    fields: [
      {
        key: 'url',
        label: 'Address of the objects',
        input: 'text',
        required: true,
        example: 's3://bucket/orders/*.csv',
      },
      {
        key: 'credentials',
        label: 'Access',
        input: 'choice',
        choices: [
          ['', 'with an access key'],
          ['anonymous', 'public bucket'],
          ['environment', 'environment of the workers'],
          ['instance', 'role of the machine'],
        ],
      },
      { key: 'access_key_id', label: 'Access key ID', input: 'secret' },
      { key: 'secret_access_key', label: 'Secret access key', input: 'secret' },
      { key: 'region', label: 'Region', input: 'text', example: 'us-east-1' },
      { key: 'endpoint', label: 'Other server', input: 'text', example: 'https://minio.example.com' },
      { key: 'allow_http', label: 'The other server may be without encryption', input: 'flag' },
    ],
  },
];
