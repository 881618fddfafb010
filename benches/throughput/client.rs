//! A sender: one connection on which leads are submitted, one after the other.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, bail};
use entity::ids::LeadId;
use leadmesh_flows::docs::OPERATION;
use serde_json::json;
use tokio::net::TcpStream;

use crate::seed::Target;
use crate::wire::Wire;

/// Makes a lead's fields about 600 bytes long, as JSON.
const MESSAGE: &str = "We have moved into a house from 1978 and would like an offer for insulation of the roof, about 140 square \
     metres, and for new windows on the north side, eight of them. The heating was renewed two years ago. Mornings are best \
     for a call; the dog is friendly. Please tell us what can be subsidised, how long the work takes, and whether the \
     scaffold is part of the offer. Photographs can be sent by mail. Reference";

/// A submitted lead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) lead: LeadId,
    /// As it stands in the lead's name.
    pub(crate) number: usize,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// A connection with its credentials.
pub(crate) struct Client<'t> {
    wire: Wire,
    target: &'t Target,
    address: SocketAddr,
}

impl<'t> Client<'t> {
    pub(crate) async fn connect(address: SocketAddr, target: &'t Target) -> anyhow::Result<Self> {
        Ok(Self {
            wire: Wire::new(TcpStream::connect(address).await?)?,
            target,
            address,
        })
    }

    /// Submits the lead of that number; `sent` is when it should have gone out.
    pub(crate) async fn submit(&mut self, number: usize, sent: Option<Instant>) -> anyhow::Result<Sample> {
        let request = self.request(number);
        let sent = sent.unwrap_or_else(Instant::now);
        self.wire.write(request.as_bytes()).await?;
        let answer = self
            .wire
            .read()
            .await?
            .context("the server has closed the connection")?;
        let answered = Instant::now();
        if answer.second_word() != "200" || !contains(answer.body, br#""outcome":"ACCEPTED""#) {
            bail!("a lead was not accepted: {}", String::from_utf8_lossy(answer.body));
        }
        let lead = id_in(answer.body).context("a receipt without an id")?;
        Ok(Sample {
            lead,
            number,
            sent,
            answered,
        })
    }

    fn request(&self, number: usize) -> String {
        let body = json!({
            "query": OPERATION,
            "variables": {"input": {
                "flowId": self.target.flow,
                "idempotencyKey": format!("{}-{number}", self.target.run),
                "fields": {
                    "email": format!("maria.huber.{number}@example.com"),
                    "first_name": "Maria",
                    "last_name": format!("Huber {number}"),
                    "phone": format!("+1415555{:04}", number % 10_000),
                    "state": "CA",
                    "message": format!("{MESSAGE} {number}."),
                },
            }},
        })
        .to_string();
        format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.target.key,
            body.len()
        )
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The first `"id"` of an answer is the receipt's.
fn id_in(body: &[u8]) -> Option<LeadId> {
    const START: &[u8] = br#""id":""#;
    let at = body.windows(START.len()).position(|window| window == START)? + START.len();
    let text = std::str::from_utf8(body.get(at..)?).ok()?;
    text.split('"').next()?.parse().ok()
}
