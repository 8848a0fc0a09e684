//! The listing of a bucket: one page of XML.

use chrono::DateTime;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::xml::resolved;
use crate::extract::http::files::percent_decoded;
use crate::extract::http::http_date;
use crate::extract::places::RemoteFile;
use crate::input::Version;

/// One page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<RemoteFile>,
    /// What follows the page. `None`: it is the last one.
    pub(super) next: Option<String>,
}

/// The elements that an object has, whichever protocol wrote them.
#[derive(Default)]
struct Object {
    key: String,
    size: Option<u64>,
    modified: Option<i64>,
    tag: Option<String>,
}

/// Reads a page: `ListBucketResult` of S3 and Google, or `EnumerationResults` of Azure.
///
/// # Errors
/// When it is not such a document, or not all of one: objects that a listing lacks would look as if they were gone.
pub(super) fn parse(xml: &str) -> Result<Page, &'static str> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut page = Page::default();
    let mut object: Option<Object> = None;
    let (mut text, mut depth, mut is_encoded) = (String::new(), 0_u32, false);
    let (mut is_listing, mut is_truncated) = (false, false);
    loop {
        match reader.read_event().map_err(|_| "it is not XML")? {
            Event::Start(start) => {
                text.clear();
                depth += 1;
                match (depth, start.local_name().as_ref()) {
                    (1, "ListBucketResult" | "EnumerationResults") => is_listing = true,
                    (1, _) => return Err("it is another document"),
                    (2, "Contents") | (3, "Blob") => object = Some(Object::default()),
                    (_, "Name") => {
                        is_encoded = start.attributes().flatten().any(|attribute| {
                            attribute.key.local_name().as_ref() == "Encoded" && attribute.value.as_ref() == "true"
                        });
                    }
                    _ => {}
                }
            }
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::CData(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => text.push(resolved(&reference).ok_or("it has an unknown reference")?),
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                let name = end.local_name();
                match (name.as_ref(), &mut object) {
                    ("Key", Some(object)) => object.key.clone_from(&text),
                    ("Name", Some(object)) if is_encoded => object.key = percent_decoded(&text),
                    ("Name", Some(object)) => object.key.clone_from(&text),
                    ("Size" | "Content-Length", Some(object)) => {
                        object.size = Some(text.trim().parse().map_err(|_| "it has a size that is not a number")?);
                    }
                    ("ETag" | "Etag", Some(object)) => object.tag = Some(bare(&text)),
                    ("LastModified" | "Last-Modified", Some(object)) => object.modified = seconds(text.trim()),
                    ("Contents" | "Blob", found) => match found.take() {
                        Some(Object { key, .. }) if key.is_empty() => return Err("it has an object without a key"),
                        found => page.objects.extend(found.map(RemoteFile::from)),
                    },
                    ("IsTruncated", None) => is_truncated = text.trim() == "true",
                    ("NextContinuationToken" | "NextMarker", None) if !text.is_empty() => {
                        page.next = Some(text.clone());
                    }
                    _ => {}
                }
                text.clear();
            }
            Event::Eof if is_listing && depth == 0 && is_truncated && page.next.is_none() => {
                return Err("it says that more follows, but not how to ask for it");
            }
            Event::Eof if is_listing && depth == 0 => return Ok(page),
            Event::Eof => return Err("it ends in the middle"),
            _ => {}
        }
    }
}

impl From<Object> for RemoteFile {
    fn from(Object { key, size, modified, tag }: Object) -> Self {
        Self { name: key.clone(), path: key, version: Version { size, modified, tag } }
    }
}

/// An entity tag without its quotation marks, which some listings leave out.
pub(super) fn bare(tag: &str) -> String {
    tag.trim().trim_matches('"').to_owned()
}

/// A time in whole seconds, as milliseconds since the epoch, because the answer for one object tells no more than that.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()).or_else(|| http_date(text))?;
    Some(time.timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &str, size: u64, modified: i64, tag: &str) -> RemoteFile {
        let version = Version { size: Some(size), modified: Some(modified), tag: Some(tag.into()) };
        RemoteFile { path: key.into(), name: key.into(), version }
    }

    #[test]
    fn a_page_of_s3_has_its_objects_and_what_follows() {
        let page = parse(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>bucket</Name><Prefix>a&amp;b/</Prefix><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>1/x+y==</NextContinuationToken>\
             <Contents><Key>a&amp;b/ &#1;&lt;ü&gt; .csv</Key><LastModified>2026-11-29T10:00:00.678Z</LastModified>\
             <ETag>&quot;abc-2&quot;</ETag><Size>12</Size><Owner><ID>Name</ID></Owner></Contents>\
             <Contents><Key>a&amp;b/</Key><LastModified>2026-11-29T10:00:01.000Z</LastModified><ETag>x</ETag><Size>0</Size>\
             </Contents><CommonPrefixes><Prefix>a/b/</Prefix></CommonPrefixes></ListBucketResult>",
        )
        .expect("a page");
        let at = 1_795_946_400_000;
        assert_eq!(page.next.as_deref(), Some("1/x+y=="));
        assert_eq!(page.objects, [file("a&b/ \u{1}<ü> .csv", 12, at, "abc-2"), file("a&b/", 0, at + 1000, "x")]);
    }

    #[test]
    fn a_page_of_azure_has_its_blobs_and_what_follows() {
        let page = parse(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"c\"><Blobs><Blob>\
             <Name>a/b c.csv</Name><Properties><Last-Modified>Sun, 29 Nov 2026 10:00:00 GMT</Last-Modified>\
             <Etag>0x8D1</Etag><Content-Length>7</Content-Length></Properties></Blob><Blob>\
             <Name Encoded=\"true\">odd%01%25</Name><Properties><Last-Modified>Sun, 29 Nov 2026 10:00:00 GMT</Last-Modified>\
             <Etag>y</Etag><Content-Length>1</Content-Length></Properties></Blob></Blobs><NextMarker>2!x</NextMarker>\
             </EnumerationResults>",
        )
        .expect("a page");
        let at = 1_795_946_400_000;
        assert_eq!(page.objects, [file("a/b c.csv", 7, at, "0x8D1"), file("odd\u{1}%", 1, at, "y")]);
        assert_eq!(page.next.as_deref(), Some("2!x"));
        let last = parse("<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>").expect("a page");
        assert_eq!(last, Page::default());
    }

    #[test]
    fn anything_else_is_no_page() {
        for other in ["", "<html><body>Log in</body></html>", "{}", "<ListBucketResult><Contents><Key>a"] {
            assert!(parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_page_that_breaks_off_is_no_shorter_page() {
        let objects: String =
            (0..3).map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
        let page = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>");
        assert_eq!(parse(&page).expect("a page").objects.len(), 3);
        for end in 0..page.len() {
            assert!(parse(&page[..end]).is_err(), "{}", &page[..end]);
        }
        assert!(parse(&page.replace("false", "true")).is_err(), "more follows, and nobody knows where");
        let more =
            page.replace("false</IsTruncated>", "true</IsTruncated><NextContinuationToken>x</NextContinuationToken>");
        assert_eq!(parse(&more).expect("a page").next.as_deref(), Some("x"));
        for odd in
            ["<Contents/>", "<Contents><Size>1</Size></Contents>", "<Contents><Key>a</Key><Size>-1</Size></Contents>"]
        {
            assert!(parse(&page.replace(&objects, odd)).is_err(), "{odd}");
        }
        assert_eq!(parse("<ListBucketResult/>"), Ok(Page::default()));
    }
}
