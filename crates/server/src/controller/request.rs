//! Requests that are answered once, and deleted when the answer is of no use any more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::Kind;
use bowline_reconcile::{Cache, Failure, Guard, Next, Reconcile};
use jiff::Timestamp;

use crate::context::{Context, elapsed};
use crate::failure::failure;

/// Answers the requests of a kind.
#[async_trait]
pub(super) trait Answer: Send + Sync + 'static {
    type Request: Kind;

    /// Name of the controller.
    const NAME: &'static str;

    fn cache(context: &Context) -> &Cache<Self::Request>;

    /// When the answer is of no use any more; nothing while there is none.
    fn end(request: &Self::Request) -> Option<Timestamp>;

    /// The request with its answer.
    async fn answer(context: &Context, request: &Self::Request) -> Result<Self::Request, Failure>;
}

/// The controller of the requests of a kind.
pub(super) struct Requests<A> {
    context: Arc<Context>,
    answer: std::marker::PhantomData<fn() -> A>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Answer,
    Delete,
    Wait(Duration),
}

fn decide(end: Option<Timestamp>, now: Timestamp) -> Step {
    match end {
        None => Step::Answer,
        Some(end) if end <= now => Step::Delete,
        Some(end) => Step::Wait(elapsed(now, end)),
    }
}

impl<A: Answer> Requests<A> {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), answer: std::marker::PhantomData }
    }
}

#[async_trait]
impl<A: Answer> Reconcile for Requests<A> {
    fn name(&self) -> &'static str {
        A::NAME
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let context = &*self.context;
        let Some(request) = A::cache(context).get(name) else { return Ok(Next::OnChange) };
        match decide(A::end(&request), context.now()) {
            Step::Answer => {
                let answered = A::answer(context, &request).await?;
                context.patch(&*request, &answered, Guard::Unchanged).await.map_err(failure)?;
                Ok(Next::After(elapsed(context.now(), A::end(&answered).unwrap_or(context.now()))))
            }
            Step::Delete => {
                context.delete(&*request).await.map_err(failure)?;
                Ok(Next::OnChange)
            }
            Step::Wait(left) => Ok(Next::After(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_once_and_deleted_when_their_answer_has_expired() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(decide(None, at(0)), Step::Answer);
        assert_eq!(decide(Some(at(600)), at(0)), Step::Wait(Duration::from_mins(10)));
        assert_eq!(decide(Some(at(600)), at(600)), Step::Delete);
    }
}
