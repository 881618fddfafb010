//! Hours in which leads are routed.

use async_graphql::{InputObject, SimpleObject};
use entity::assignment::{self, Weekday};

use super::field_mapping::each;
use super::scalars::TimeZone;

/// When leads are routed to a partner: whenever one of the windows is open.
#[derive(Clone, Debug, SimpleObject)]
pub struct Schedule {
    /// The zone whose clocks count.
    pub timezone: TimeZone,
    /// Hours on days; any of them will do.
    pub windows: Vec<ScheduleWindow>,
}

/// Some hours on some days.
#[derive(Clone, Debug, SimpleObject)]
pub struct ScheduleWindow {
    /// Days on which it opens.
    pub days: Vec<Weekday>,
    /// When it opens, `HH:MM`, included.
    pub from: String,
    /// When it closes, `HH:MM`, excluded; not after `from` means on the next day, and `24:00` is midnight.
    pub to: String,
}

/// When leads are routed to a partner: whenever one of the windows is open.
#[derive(Clone, Debug, InputObject)]
pub struct ScheduleInput {
    /// The zone whose clocks count.
    pub timezone: TimeZone,
    /// Hours on days, 1 to 50; any of them will do.
    pub windows: Vec<ScheduleWindowInput>,
}

/// Some hours on some days.
#[derive(Clone, Debug, InputObject)]
pub struct ScheduleWindowInput {
    /// Days on which it opens, at least one.
    pub days: Vec<Weekday>,
    /// When it opens, `HH:MM`, included.
    pub from: String,
    /// When it closes, `HH:MM`, excluded; not after `from` means on the next day, and `24:00` is midnight.
    pub to: String,
}

impl From<assignment::Schedule> for Schedule {
    fn from(schedule: assignment::Schedule) -> Self {
        Self {
            timezone: schedule.timezone.into(),
            windows: each(schedule.windows),
        }
    }
}

impl From<assignment::Window> for ScheduleWindow {
    fn from(window: assignment::Window) -> Self {
        Self {
            days: window.days,
            from: window.from,
            to: window.to,
        }
    }
}

impl From<ScheduleInput> for assignment::Schedule {
    fn from(input: ScheduleInput) -> Self {
        Self {
            timezone: input.timezone.0,
            windows: each(input.windows),
        }
    }
}

impl From<ScheduleWindowInput> for assignment::Window {
    fn from(input: ScheduleWindowInput) -> Self {
        Self {
            days: input.days,
            from: input.from,
            to: input.to,
        }
    }
}
