//! An HTTP server whose only answer, a row, takes its time.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Serves until the test's process ends; says where.
pub fn start(answers_after: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection, answers_after));
        }
    });
    format!("http://{address}/rows")
}

/// A worker that is killed closes its connection: that is its affair.
fn answer(mut connection: TcpStream, after: Duration) {
    let _ = connection.read(&mut [0; 4_096]);
    let body = r#"[{"id": 0}]"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    std::thread::sleep(after);
    let _ = connection.write_all(format!("{head}{body}").as_bytes());
}
