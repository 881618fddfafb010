//! Output of the demo: a line for each lead and delivery, and a live summary on a terminal.

mod totals;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::Arguments;
use totals::Totals;

/// Above this rate a line for each lead cannot be read.
const READABLE: u32 = 20;
/// After this a lead is shown with what has arrived by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// After this an arrived lead counts as submitted by another client.
const FOREIGN: Duration = Duration::from_secs(2);
/// Between two lines with totals, where leads have no lines.
const LINE: Duration = Duration::from_secs(2);

/// How a lead arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Channel {
    Webhook,
    Email,
    Portal,
}

impl Channel {
    const ALL: [Self; 3] = [Self::Webhook, Self::Email, Self::Portal];

    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Portal => "portal",
        }
    }
}

pub(super) enum BoardEvent {
    Submitted(Submitted),
    Arrived {
        channel: Channel,
        lead: String,
        at: Instant,
    },
    /// An email that is about no lead.
    Mail {
        to: String,
        subject: String,
    },
}

impl BoardEvent {
    pub(super) fn arrived(channel: Channel, lead: &str) -> Self {
        Self::Arrived {
            channel,
            lead: lead.to_owned(),
            at: Instant::now(),
        }
    }
}

/// A lead with its answer.
pub(super) struct Submitted {
    pub(super) number: u32,
    pub(super) name: String,
    /// None if the lead goes nowhere.
    pub(super) lead: Option<String>,
    pub(super) outcome: String,
    pub(super) text: String,
    pub(super) started: Instant,
}

/// A lead under way.
struct Underway {
    submitted: Option<Submitted>,
    arrived: Vec<(Channel, Instant)>,
    since: Instant,
}

impl Underway {
    fn is_complete(&self) -> bool {
        self.submitted.is_some() && self.arrived.len() == Channel::ALL.len()
    }

    fn is_given_up(&self) -> bool {
        let patience = if self.submitted.is_some() { PATIENCE } else { FOREIGN };
        self.since.elapsed() > patience
    }
}

/// Everything that is known of the leads.
pub(super) struct Board {
    news: UnboundedSender<BoardEvent>,
    heard: UnboundedReceiver<BoardEvent>,
    bar: ProgressBar,
    begun: u32,
    underway: HashMap<String, Underway>,
    totals: Totals,
    /// Whether each lead has a line.
    detailed: bool,
    last_line: Instant,
    summed_up: bool,
}

impl Board {
    pub(super) fn new(
        arguments: &Arguments,
        news: UnboundedSender<BoardEvent>,
        heard: UnboundedReceiver<BoardEvent>,
    ) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(arguments.leads.max(1).into());
        bar.set_style(ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}")?);
        Ok(Self {
            news,
            heard,
            bar,
            begun: 0,
            underway: HashMap::new(),
            totals: Totals::default(),
            detailed: arguments.rate <= READABLE,
            last_line: Instant::now(),
            summed_up: false,
        })
    }

    pub(super) fn news(&self) -> UnboundedSender<BoardEvent> {
        self.news.clone()
    }

    /// The number of the next lead.
    pub(super) fn begin(&mut self) -> u32 {
        self.begun += 1;
        self.begun
    }

    pub(super) async fn next(&mut self) -> Option<BoardEvent> {
        self.heard.recv().await
    }

    pub(super) fn take(&mut self, news: Option<BoardEvent>, out: &mut impl Write) -> std::io::Result<()> {
        match news {
            None => Ok(()),
            Some(BoardEvent::Mail { to, subject }) => self.say(out, &format!("      mail to {to}: {subject}")),
            Some(BoardEvent::Submitted(submitted)) => {
                self.totals.answered(&submitted.outcome);
                match submitted.lead.clone() {
                    None => self.finish(out, submitted, &[]),
                    Some(lead) => {
                        self.of(&lead).submitted = Some(submitted);
                        self.finish_if(out, &lead, Underway::is_complete)
                    }
                }
            }
            Some(BoardEvent::Arrived { channel, lead, at }) => {
                let underway = self.of(&lead);
                // A delivery may come twice; it counts once.
                if underway.arrived.iter().all(|(known, _)| *known != channel) {
                    underway.arrived.push((channel, at));
                }
                self.finish_if(out, &lead, Underway::is_complete)
            }
        }
    }

    fn of(&mut self, lead: &str) -> &mut Underway {
        self.underway.entry(lead.to_owned()).or_insert_with(|| Underway {
            submitted: None,
            arrived: Vec::new(),
            since: Instant::now(),
        })
    }

    fn finish_if(&mut self, out: &mut impl Write, lead: &str, condition: fn(&Underway) -> bool) -> std::io::Result<()> {
        if !self.underway.get(lead).is_some_and(condition) {
            return Ok(());
        }
        let Some(mut underway) = self.underway.remove(lead) else {
            return Ok(());
        };
        underway.arrived.sort();
        if let Some(submitted) = underway.submitted {
            return self.finish(out, submitted, &underway.arrived);
        }
        let channels: Vec<&str> = underway.arrived.iter().map(|(channel, _)| channel.name()).collect();
        let channels = channels.join(", ");
        self.say(
            out,
            &format!("      {lead}, submitted by somebody else, arrived: {channels}"),
        )
    }

    fn finish(
        &mut self,
        out: &mut impl Write,
        submitted: Submitted,
        arrived: &[(Channel, Instant)],
    ) -> std::io::Result<()> {
        let took = arrived
            .iter()
            .map(|(channel, at)| (*channel, at.saturating_duration_since(submitted.started)));
        let took: Vec<(Channel, Duration)> = took.collect();
        for (channel, took) in &took {
            self.totals.arrived(*channel, *took);
        }
        if !self.detailed {
            return Ok(());
        }
        let ways: Vec<String> = took
            .iter()
            .map(|(channel, took)| format!("{} {} ms", channel.name(), took.as_millis()))
            .collect();
        let text = if submitted.lead.is_some() {
            ways.join(", ")
        } else {
            submitted.text
        };
        let (number, name, outcome) = (submitted.number, submitted.name, submitted.outcome.to_lowercase());
        self.say(out, &format!("{number:>5} {name:<24} {outcome:<9} {text}"))
    }

    /// Draws the progress, shows leads that wait in vain, and sums up at the end.
    pub(super) fn show(&mut self, all_begun: bool, out: &mut impl Write) -> std::io::Result<()> {
        let late = self.underway.iter().filter(|(_, underway)| underway.is_given_up());
        for lead in late.map(|(lead, _)| lead.clone()).collect::<Vec<_>>() {
            self.finish_if(out, &lead, |_| true)?;
        }
        self.bar.set_position(self.totals.all_answered().into());
        self.bar.set_message(self.totals.to_string());
        if !self.detailed && !self.summed_up && self.bar.is_hidden() && self.last_line.elapsed() >= LINE {
            self.last_line = Instant::now();
            self.say(out, &self.totals.to_string())?;
        }
        if all_begun && !self.summed_up && self.totals.all_answered() >= self.begun && self.underway.is_empty() {
            self.summed_up = true;
            self.bar.finish_and_clear();
            self.say(out, "")?;
            self.say(out, &format!("All leads are submitted: {}", self.totals))?;
            for line in self.totals.latencies() {
                self.say(out, &line)?;
            }
            self.say(out, "Still serving; Ctrl-C stops.")?;
        }
        Ok(())
    }

    /// Removes the progress bar.
    pub(super) fn close(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        self.bar.finish_and_clear();
        if !self.summed_up {
            writeln!(out, "So far: {}", self.totals)?;
        }
        out.flush()
    }

    /// Writes a line beside the progress bar.
    fn say(&self, out: &mut impl Write, line: &str) -> std::io::Result<()> {
        self.bar.suspend(|| writeln!(out, "{line}"))?;
        out.flush()
    }
}
