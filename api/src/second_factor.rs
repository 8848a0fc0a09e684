//! Second factors: time-based one-time codes (RFC 6238) and recovery codes.

use chrono::Utc;
use clap::ValueEnum;
use elt_shared::secret::{CurrentKey, KeyRing, OpenError, Sealed};
use elt_shared::store::users::{Role, User};
use elt_shared::store::{sealed_tables, second_factors};
use qrcodegen::{QrCode, QrCodeEcc};
use rand::RngExt;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use totp_rs::{Builder, Totp};
use uuid::Uuid;

use crate::error::Error;

/// The name of this service in people's authenticator apps.
const ISSUER: &str = "elt";
/// Bytes of a shared secret, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// Recovery codes of a second factor.
const RECOVERY_CODES: usize = 10;
/// Letters and digits of recovery codes: 32 of them, without those that look alike.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// Letters of a recovery code: 80 random bits.
const RECOVERY_CODE_LETTERS: usize = 16;
/// White squares around a QR code, which scanners need.
const QUIET_ZONE: i32 = 4;

/// Who must have a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RequireTotp {
    /// A second factor is optional for everyone.
    #[default]
    Off,
    /// Admins need a second factor to log in.
    Admin,
    /// Every user with a password needs a second factor to log in.
    All,
}

impl RequireTotp {
    /// Whether a user must have a second factor here. The identity provider asks its own users for theirs.
    pub fn covers(self, user: &User) -> bool {
        let covers_role = match self {
            Self::Off => false,
            Self::Admin => user.role == Role::Admin,
            Self::All => true,
        };
        covers_role && user.issuer.is_none()
    }
}

/// What came of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It was right, and is used up.
    Right,
    /// It was wrong, or used before.
    Wrong,
    /// Too many codes were wrong: no code is looked at for this many seconds.
    Wait(u64),
    /// The user has no second factor.
    Missing,
}

/// A new secret, for people and their apps.
pub struct Enrolment {
    /// To type, in Base32.
    pub secret: String,
    /// To open: `otpauth://totp/…`.
    pub uri: String,
    /// To scan, as SVG.
    pub qr_svg: String,
    /// The same secret, sealed for the control database.
    pub sealed: Sealed,
}

/// A new secret for a user, sealed with a registered key.
pub fn enrol(user: &User, key: &CurrentKey) -> Result<Enrolment, Error> {
    let secret: [u8; SECRET_BYTES] = rand::rng().random();
    let failed = |error: totp_rs::TotpError| Error::internal("make a second factor", error);
    let totp = totp(secret.to_vec(), &user.username).map_err(failed)?;
    let uri = totp.to_url().map_err(failed)?;
    let qr_svg = qr_svg(&uri)?;
    let sealed = key.seal(&place(user.id), &secret);
    Ok(Enrolment { secret: totp_rs::Secret::from(secret.to_vec()).to_base32(), uri, qr_svg, sealed })
}

/// Checks a code of the authenticator app, or a recovery code, and uses it up. `confirmed` says which of the two kinds of
/// second factor is meant: one that logins need, or one that is being set up, which has no recovery codes.
///
/// The caller commits the transaction whatever the answer is, because wrong codes are counted in it.
///
/// # Errors
/// When the database is away, or the secret key is not the one of the second factor.
pub async fn check(
    db: &mut PgConnection,
    keys: &KeyRing,
    user: &User,
    code: &str,
    confirmed: bool,
) -> Result<Checked, Error> {
    let factor = second_factors::lock(&mut *db, user.id).await?.filter(|factor| factor.confirmed == confirmed);
    let Some(factor) = factor else { return Ok(Checked::Missing) };
    if factor.wait_seconds > 0 {
        return Ok(Checked::Wait(factor.wait_seconds.unsigned_abs()));
    }
    let secret = keys.open(&place(user.id), &factor.secret()).map_err(cannot_open)?;
    let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let totp = totp(secret, &user.username).map_err(|error| Error::internal("check a second factor", error))?;
    let now = Utc::now().timestamp().unsigned_abs();
    let step = totp.check(&code, now).and_then(|step| i64::try_from(step).ok());
    if let Some(step) = step.filter(|step| *step > factor.last_step) {
        second_factors::note_step(&mut *db, user.id, step).await?;
        return Ok(Checked::Right);
    }
    if confirmed && second_factors::use_recovery_code(&mut *db, user.id, &hash(&code)).await? {
        return Ok(Checked::Right);
    }
    second_factors::note_failure(db, user.id).await?;
    Ok(Checked::Wrong)
}

/// New recovery codes, as people read them, and their hashes.
pub fn recovery_codes() -> (Vec<String>, Vec<Vec<u8>>) {
    let mut random = rand::rng();
    let mut codes = Vec::new();
    let mut hashes = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let bytes: [u8; RECOVERY_CODE_LETTERS] = random.random();
        let code: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        hashes.push(hash(&code));
        codes.push(format!("{}-{}-{}-{}", &code[..4], &code[4..8], &code[8..12], &code[12..]));
    }
    (codes, hashes)
}

fn hash(code: &str) -> Vec<u8> {
    // One round is enough, because a recovery code has 80 random bits.
    Sha256::digest(code.to_lowercase().as_bytes()).to_vec()
}

fn place(user: Uuid) -> Vec<u8> {
    sealed_tables::SECOND_FACTORS.context(&user.to_string())
}

fn cannot_open(error: OpenError) -> Error {
    tracing::error!(error = %error, "could not open a second factor: {}", error.next_step());
    Error::internal("open a second factor", error)
}

/// Six digits of 30 seconds, by SHA-1: what every authenticator app understands. The code before and the one after the
/// current one are accepted, too.
fn totp(secret: Vec<u8>, username: &str) -> Result<Totp, totp_rs::TotpError> {
    // The URI separates issuer and name with a colon.
    let name = username.replace(':', " ");
    Builder::new().with_secret(secret).with_issuer(Some(ISSUER)).with_account_name(name).build()
}

fn qr_svg(text: &str) -> Result<String, Error> {
    let code =
        QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|error| Error::internal("draw a QR code", error))?;
    let size = code.size();
    let mut squares = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            squares.push_str(&format!("M{},{}h1v1h-1z", x + QUIET_ZONE, y + QUIET_ZONE));
        }
    }
    let side = size + 2 * QUIET_ZONE;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{squares}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the last six digits of its eight.
        let totp = totp(b"12345678901234567890".to_vec(), "ann").expect("a second factor");
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(totp.check(code, time), Some(time / 30), "{time}");
            assert_eq!(totp.check(code, time + 30), Some(time / 30), "one step later");
            assert_eq!(totp.check(code, time + 90), None, "three steps later");
        }
        assert!(totp.to_url().is_ok_and(|url| url.starts_with("otpauth://totp/elt:ann?")));
    }

    #[test]
    fn recovery_codes_differ_and_are_read_with_or_without_hyphens() {
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        let different: std::collections::HashSet<&String> = codes.iter().collect();
        assert_eq!(different.len(), 10);
        assert_eq!(hash(&codes[0].replace('-', "").to_uppercase()), hashes[0]);
    }

    #[test]
    fn a_qr_code_is_one_path_on_white() {
        let svg = qr_svg("otpauth://totp/elt:ann?secret=JBSWY3DPEHPK3PXP&issuer=elt").expect("a QR code");
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("fill=\"#fff\"") && svg.matches("<path").count() == 1);
        assert!(!svg.contains("script") && svg.len() < 64 * 1024);
    }
}
