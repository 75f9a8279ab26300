//! Commands in containers, answered by a script.

use std::sync::Mutex;

use async_trait::async_trait;
use bowline_engine::port::{ExecError, ExecRequest, PodExec};

type Script = Box<dyn FnMut(&ExecRequest) -> Result<String, ExecError> + Send>;

/// Remembers every command; answers by the script, or with success.
#[derive(Default)]
pub struct ScriptedExec {
    script: Mutex<Option<Script>>,
    ran: Mutex<Vec<ExecRequest>>,
}

impl ScriptedExec {
    /// Answers every command by `script`.
    pub fn new(script: impl FnMut(&ExecRequest) -> Result<String, ExecError> + Send + 'static) -> Self {
        Self { script: Mutex::new(Some(Box::new(script))), ran: Mutex::default() }
    }

    /// The commands that ran, in order.
    pub fn ran(&self) -> Vec<ExecRequest> {
        self.ran.lock().expect("no script panics").clone()
    }
}

#[async_trait]
impl PodExec for ScriptedExec {
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError> {
        self.ran.lock().expect("no script panics").push(request.clone());
        match self.script.lock().expect("no script panics").as_mut() {
            Some(script) => script(request),
            None => Ok(String::new()),
        }
    }
}
