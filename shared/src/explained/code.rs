//! Every code that elt gives a problem. A code is stable: programs branch on it and people search for it, so none is
//! ever renamed or given a second meaning.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident = $text:literal,)+) => {
        /// The kind of a problem. The catalog explains each ([`Code::entry`]).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl Code {
            /// Every code, grouped as in the catalog.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text that people and programs see.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

codes! {
    // The run itself.
    Config = "config",
    WrongSecretKey = "wrong_secret_key",
    SecretKeyDropped = "secret_key_dropped",
    SealedValueDamaged = "sealed_value_damaged",
    UnknownSecret = "unknown_secret",
    SecretNotGranted = "secret_not_granted",
    ControlDatabase = "control_database",
    Io = "io",
    TablesFailed = "tables_failed",
    TargetBusy = "target_busy",
    Fenced = "fenced",
    NotLoaded = "not_loaded",
    Stopped = "stopped",
    Timeout = "timeout",
    WorkerLost = "worker_lost",
    Internal = "internal",
    ReceiptUnbalanced = "receipt_unbalanced",
    TransformFailed = "transform_failed",
    TransformInTheWay = "transform_in_the_way",
    NothingToUndo = "nothing_to_undo",
    CannotUndo = "cannot_undo",
    CannotVerify = "cannot_verify",
    OutputIsInput = "output_is_input",
    OutputNotOurs = "output_not_ours",
    OutputSuffix = "output_suffix",
    OutputTaken = "output_taken",
    OutsideRoots = "outside_roots",
    // Sources.
    BadGlob = "bad_glob",
    InboxMissing = "inbox_missing",
    CursorUnusable = "cursor_unusable",
    SourceChanged = "source_changed",
    SourceConfig = "source_config",
    SourceLogin = "source_login",
    SourceMissing = "source_missing",
    SourceRefused = "source_refused",
    SourceSlow = "source_slow",
    SourceTimeout = "source_timeout",
    SourceTooLarge = "source_too_large",
    SourceUnreachable = "source_unreachable",
    SourceUnreadable = "source_unreadable",
    SourceUnreadableRows = "source_unreadable_rows",
    ForEachValues = "for_each_values",
    HostKeyChanged = "host_key_changed",
    HostKeyUnknown = "host_key_unknown",
    SftpProtocol = "sftp_protocol",
    FtpProtocol = "ftp_protocol",
    HttpEndless = "http_endless",
    HttpErrorAnswer = "http_error_answer",
    HttpNextPage = "http_next_page",
    HttpNotJson = "http_not_json",
    HttpNotReady = "http_not_ready",
    HttpRedirect = "http_redirect",
    HttpStatus = "http_status",
    HttpTokenAnswer = "http_token_answer",
    HttpTokenNotKept = "http_token_not_kept",
    HttpTokenRefused = "http_token_refused",
    HttpTooLarge = "http_too_large",
    HttpTruncated = "http_truncated",
    IncludeNameTaken = "include_name_taken",
    NotIncremental = "not_incremental",
    RecordsMissing = "records_missing",
    TableNames = "table_names",
    // Files.
    ArchiveBroken = "archive_broken",
    ArchiveEmpty = "archive_empty",
    ArchiveEncrypted = "archive_encrypted",
    ArchiveName = "archive_name",
    ArchiveTooLarge = "archive_too_large",
    BadRecordsPath = "bad_records_path",
    BrokenCompression = "broken_compression",
    BrokenJson = "broken_json",
    BrokenWorkbook = "broken_workbook",
    BrokenXml = "broken_xml",
    ColumnarDamaged = "columnar_damaged",
    ColumnarEncrypted = "columnar_encrypted",
    ColumnarUnsupported = "columnar_unsupported",
    HeaderNotFirst = "header_not_first",
    NoSheet = "no_sheet",
    NotAWorkbook = "not_a_workbook",
    NotRows = "not_rows",
    PgpBroken = "pgp_broken",
    PgpKey = "pgp_key",
    PgpSignature = "pgp_signature",
    PgpUnprotected = "pgp_unprotected",
    RecordTooLarge = "record_too_large",
    ReservedName = "reserved_name",
    RowsAmbiguous = "rows_ambiguous",
    ShapeColumns = "shape_columns",
    TooManyColumns = "too_many_columns",
    Truncated = "truncated",
    UnclosedQuote = "unclosed_quote",
    UnknownEncoding = "unknown_encoding",
    UnknownSeparator = "unknown_separator",
    Unreadable = "unreadable",
    WorkbookEncrypted = "workbook_encrypted",
    WorkbookTooLarge = "workbook_too_large",
    XmlDoctype = "xml_doctype",
    XmlNames = "xml_names",
    // Rows.
    AboveMax = "above_max",
    BelowMin = "below_min",
    CellError = "cell_error",
    CellNotADate = "cell_not_a_date",
    CellNotANumber = "cell_not_a_number",
    CellNotCalculated = "cell_not_calculated",
    Check = "check",
    ControlCharacter = "control_character",
    DoesNotFit = "does_not_fit",
    Encoding = "encoding",
    Exclusion = "exclusion",
    ForeignKey = "foreign_key",
    InvalidEncoding = "invalid_encoding",
    KeyTooLong = "key_too_long",
    LoneSurrogate = "lone_surrogate",
    MixedElements = "mixed_elements",
    NoPartition = "no_partition",
    NotAllowed = "not_allowed",
    NotAnObject = "not_an_object",
    NulByte = "nul_byte",
    NullKey = "null_key",
    NullNotAllowed = "null_not_allowed",
    Pattern = "pattern",
    Refused = "refused",
    RejectedByCheck = "rejected_by_check",
    RepeatedMapKey = "repeated_map_key",
    ShapeFailed = "shape_failed",
    StrayQuote = "stray_quote",
    SurplusText = "surplus_text",
    TooDeep = "too_deep",
    TooLong = "too_long",
    TooManyCells = "too_many_cells",
    Trigger = "trigger",
    Unique = "unique",
    WrongType = "wrong_type",
    // The schema contract.
    BadRow = "bad_row",
    CheckBroken = "check_broken",
    CheckFailed = "check_failed",
    ExtraColumn = "extra_column",
    MissingColumn = "missing_column",
    MissingKey = "missing_key",
    MissingNotNullColumn = "missing_not_null_column",
    PartitionColumn = "partition_column",
    ReplaceEmpty = "replace_empty",
    ReplaceIncomplete = "replace_incomplete",
    SchemaValue = "schema_value",
    TooManyPartitions = "too_many_partitions",
    TooManyRefused = "too_many_refused",
    TooManyRejected = "too_many_rejected",
    TypeConflict = "type_conflict",
    // Targets: reaching the server.
    TargetCertificate = "target_certificate",
    TargetControlDatabase = "target_control_database",
    TargetHost = "target_host",
    TargetLogin = "target_login",
    TargetLost = "target_lost",
    TargetNoDatabase = "target_no_database",
    TargetNoDefault = "target_no_default",
    TargetNoTls = "target_no_tls",
    TargetOtherDatabase = "target_other_database",
    TargetPooler = "target_pooler",
    TargetProtocol = "target_protocol",
    TargetSessionTimeout = "target_session_timeout",
    TargetSocket = "target_socket",
    TargetTooManyConnections = "target_too_many_connections",
    TargetTooMuch = "target_too_much",
    TargetUnreachable = "target_unreachable",
    TargetUrl = "target_url",
    // Targets: loading.
    TargetCancelled = "target_cancelled",
    TargetConstraint = "target_constraint",
    TargetCopy = "target_copy",
    TargetDataCorrupted = "target_data_corrupted",
    TargetDatabase = "target_database",
    TargetDiskFull = "target_disk_full",
    TargetEncoding = "target_encoding",
    TargetError = "target_error",
    TargetGenerated = "target_generated",
    TargetInUse = "target_in_use",
    TargetKeepsChanging = "target_keeps_changing",
    TargetKeyTooLong = "target_key_too_long",
    TargetKeyType = "target_key_type",
    TargetLimit = "target_limit",
    TargetLocked = "target_locked",
    TargetNameTaken = "target_name_taken",
    TargetNoColumn = "target_no_column",
    TargetNoSchema = "target_no_schema",
    TargetNoTable = "target_no_table",
    TargetNotAllowed = "target_not_allowed",
    TargetNotReady = "target_not_ready",
    TargetOfOthers = "target_of_others",
    TargetOutOfMemory = "target_out_of_memory",
    TargetOutOfResources = "target_out_of_resources",
    TargetPartitioning = "target_partitioning",
    TargetRace = "target_race",
    TargetReadOnly = "target_read_only",
    TargetReplicaIdentity = "target_replica_identity",
    TargetReserved = "target_reserved",
    TargetRowSecurity = "target_row_security",
    TargetSequence = "target_sequence",
    TargetServerError = "target_server_error",
    TargetShapeChanged = "target_shape_changed",
    TargetStatement = "target_statement",
    TargetTransaction = "target_transaction",
    TargetTrigger = "target_trigger",
    TargetType = "target_type",
    TargetUnique = "target_unique",
    TargetUnusable = "target_unusable",
    TargetValue = "target_value",
    // Requests.
    BadRequest = "bad_request",
    Conflict = "conflict",
    DatabaseReadOnly = "database_read_only",
    Forbidden = "forbidden",
    IdempotencyKeyReused = "idempotency_key_reused",
    InvalidBody = "invalid_body",
    InvalidCursor = "invalid_cursor",
    InvalidFilter = "invalid_filter",
    InvalidForm = "invalid_form",
    InvalidIdempotencyKey = "invalid_idempotency_key",
    InvalidIds = "invalid_ids",
    InvalidJson = "invalid_json",
    InvalidMultipart = "invalid_multipart",
    InvalidPath = "invalid_path",
    InvalidQuery = "invalid_query",
    MethodNotAllowed = "method_not_allowed",
    NotFound = "not_found",
    NulCharacter = "nul_character",
    SearchTooSlow = "search_too_slow",
    TooLarge = "too_large",
    TooManyRequests = "too_many_requests",
    Unauthorized = "unauthorized",
    Unavailable = "unavailable",
    Unprocessable = "unprocessable",
    UnstorableValue = "unstorable_value",
    UnsupportedMediaType = "unsupported_media_type",
    // Configs, runs and schedules.
    AlreadyFinished = "already_finished",
    AlreadyRetried = "already_retried",
    AlreadyUndone = "already_undone",
    ConfigInUse = "config_in_use",
    ConfigNewest = "config_newest",
    CsvElsewhere = "csv_elsewhere",
    ExportDiskFull = "export_disk_full",
    ExportEnded = "export_ended",
    ExportTooLarge = "export_too_large",
    InvalidBackfill = "invalid_backfill",
    InvalidCron = "invalid_cron",
    InvalidFileFormat = "invalid_file_format",
    InvalidSavedFilter = "invalid_saved_filter",
    InvalidTimezone = "invalid_timezone",
    InvalidWindow = "invalid_window",
    InvalidYaml = "invalid_yaml",
    NoCoverage = "no_coverage",
    NoFile = "no_file",
    NotAReport = "not_a_report",
    NotFinished = "not_finished",
    NotForBackfill = "not_for_backfill",
    NotLive = "not_live",
    NotRunnable = "not_runnable",
    NotShareable = "not_shareable",
    NothingToResume = "nothing_to_resume",
    OutcomeUnknown = "outcome_unknown",
    QuotaExceeded = "quota_exceeded",
    RunOfBackfill = "run_of_backfill",
    RunOfTables = "run_of_tables",
    SharedTableUnavailable = "shared_table_unavailable",
    TableNotNamed = "table_not_named",
    TargetConnectionsBusy = "target_connections_busy",
    TooManySavedFilters = "too_many_saved_filters",
    TooManyStreams = "too_many_streams",
    TooManyTargetConnections = "too_many_target_connections",
    TooManyTargetFailures = "too_many_target_failures",
    WorkerGone = "worker_gone",
    // Files that are uploaded.
    ContentMismatch = "content_mismatch",
    FileExists = "file_exists",
    FileNotWanted = "file_not_wanted",
    FileTooLarge = "file_too_large",
    InboxDiskFull = "inbox_disk_full",
    InboxFull = "inbox_full",
    InvalidFileName = "invalid_file_name",
    InvalidUpload = "invalid_upload",
    LengthRequired = "length_required",
    NoInbox = "no_inbox",
    TooManyUploads = "too_many_uploads",
    UploadBusy = "upload_busy",
    UploadCut = "upload_cut",
    UploadOffset = "upload_offset",
    UploadsNotAllowed = "uploads_not_allowed",
    // Users, logins and API tokens.
    CommonPassword = "common_password",
    ExternalUser = "external_user",
    InvalidCredentials = "invalid_credentials",
    InvalidExpiry = "invalid_expiry",
    InvalidName = "invalid_name",
    InvalidPassword = "invalid_password",
    InvalidPipelines = "invalid_pipelines",
    InvalidUsername = "invalid_username",
    LastAdmin = "last_admin",
    LoginNotFinished = "login_not_finished",
    MissingScope = "missing_scope",
    NameTaken = "name_taken",
    NoScopes = "no_scopes",
    NoSecondFactor = "no_second_factor",
    OtherOwner = "other_owner",
    OtherPipeline = "other_pipeline",
    ScopeNotAllowed = "scope_not_allowed",
    SecondFactorExists = "second_factor_exists",
    SecondFactorMissing = "second_factor_missing",
    SecondFactorRequired = "second_factor_required",
    ServiceAccount = "service_account",
    SessionOnly = "session_only",
    TooManyTokens = "too_many_tokens",
    UsernameTaken = "username_taken",
    WrongCode = "wrong_code",
    WrongPassword = "wrong_password",
    // Logins at an identity provider.
    Busy = "busy",
    Cancelled = "cancelled",
    Disabled = "disabled",
    Failed = "failed",
    InvalidAnswer = "invalid_answer",
    NoRole = "no_role",
    OtherBrowser = "other_browser",
    OtherProvider = "other_provider",
    ProviderAway = "provider_away",
    // Secrets for configs.
    InvalidDescription = "invalid_description",
    InvalidSecretName = "invalid_secret_name",
    InvalidSecretValue = "invalid_secret_value",
    SecretInUse = "secret_in_use",
    SecretValueMissing = "secret_value_missing",
    TooManySecrets = "too_many_secrets",
    // Channels of messages.
    InvalidChannel = "invalid_channel",
    TooManyChannels = "too_many_channels",
    // The audit.
    AuditEndUnsigned = "audit_end_unsigned",
    AuditKnownRowMissing = "audit_known_row_missing",
    AuditRowChanged = "audit_row_changed",
    AuditRowMissing = "audit_row_missing",
    AuditTruncated = "audit_truncated",
    AuditUnchained = "audit_unchained",
    // The private PostgreSQL.
    ClusterBusy = "cluster_busy",
    ClusterInUse = "cluster_in_use",
    CopyFailed = "copy_failed",
    FolderOfOthers = "folder_of_others",
    FolderUnreachable = "folder_unreachable",
    FolderUnusable = "folder_unusable",
    InitdbFailed = "initdb_failed",
    NoAccount = "no_account",
    NoCluster = "no_cluster",
    NoHstore = "no_hstore",
    NoPostgres = "no_postgres",
    PostgresNotStarted = "postgres_not_started",
    PostgresNotStopped = "postgres_not_stopped",
    PostgresSilent = "postgres_silent",
    PrepareFailed = "prepare_failed",
    ProgramUnusable = "program_unusable",
    RestoreUnfinished = "restore_unfinished",
    RootNotDropped = "root_not_dropped",
}

impl Code {
    /// The code with this text; `None` when this release has no such code.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A code that was stored, perhaps by a newer release that has codes this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredCode {
    /// A code of this release.
    Known(Code),
    /// The text of a code of another release.
    Unknown(String),
}

impl StoredCode {
    /// The text that people and programs see.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Unknown(text) => text,
        }
    }
}

impl From<Code> for StoredCode {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

impl From<String> for StoredCode {
    fn from(text: String) -> Self {
        Code::find(&text).map_or(Self::Unknown(text), Self::Known)
    }
}

impl fmt::Display for StoredCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for StoredCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StoredCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_differ() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for text in &texts {
            let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(letters && !text.starts_with('_') && !text.ends_with('_'), "{text}");
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn a_code_is_read_back_as_it_was_written_also_one_of_a_newer_release() {
        for text in ["target_lost", "a_code_of_tomorrow", ""] {
            let json = format!("{text:?}");
            let read: StoredCode = serde_json::from_str(&json).expect("a code");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
            assert_eq!(matches!(read, StoredCode::Known(_)), text == "target_lost");
        }
        assert_eq!(serde_json::to_string(&Code::TargetLost).expect("JSON"), "\"target_lost\"");
    }
}
