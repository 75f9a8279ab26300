//! An API server that knows what a test tells it, over HTTP on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers by method and path, such as `GET /version`; a path may end in `*`. Everything else is not found.
#[derive(Clone, Default)]
pub(crate) struct Answers(BTreeMap<String, (u16, Vec<u8>)>);

/// A running server. It ends with the test's process.
pub(crate) struct Fake {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Answers {
    pub(crate) fn json(self, request: &str, answer: &Value) -> Self {
        self.bytes(request, answer.to_string().into_bytes())
    }

    pub(crate) fn bytes(mut self, request: &str, answer: Vec<u8>) -> Self {
        self.0.insert(request.to_owned(), (200, answer));
        self
    }

    /// A refusal as the API server spells it, about the object of this name.
    pub(crate) fn refusal(
        mut self,
        request: &str,
        code: u16,
        reason: &str,
        message: &str,
        name: &str,
    ) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message,
            "details": { "name": name },
        });
        self.0.insert(request.to_owned(), (code, status.to_string().into_bytes()));
        self
    }

    pub(crate) fn serve(self) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let fake = Fake { url, requests: Arc::clone(&requests) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, requests) = (self.clone(), Arc::clone(&requests));
                std::thread::spawn(move || drop(answers.answer(stream, &requests)));
            }
        });
        fake
    }

    fn answer(&self, stream: TcpStream, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = first.rsplit_once(' ').map_or("", |(request, _)| request).to_owned();
        let path = request.split('?').next().unwrap_or_default();
        requests.lock().unwrap().push(path.to_owned());
        let (status, answer) = match self.find(path) {
            // What is created comes back as it was sent.
            Some((_, answer)) if answer.is_empty() => (201, body),
            Some((status, answer)) => (*status, answer.clone()),
            None => (404, b"404 page not found\n".to_vec()),
        };
        let mut stream = reader.into_inner();
        let head = format!(
            "HTTP/1.1 {status} As said\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&answer)
    }

    fn find(&self, path: &str) -> Option<&(u16, Vec<u8>)> {
        let fits =
            |known: &str| known.strip_suffix('*').map_or(known == path, |start| path.starts_with(start));
        self.0.iter().rev().find(|(known, _)| fits(known)).map(|(_, answer)| answer)
    }
}

impl Fake {
    /// The requests so far, without their queries.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}
