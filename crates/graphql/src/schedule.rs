//! Hours in which leads are routed.

use async_graphql::{InputObject, SimpleObject};
use entity::assignment::{self, Weekday};

use super::field_mapping::each;
use super::scalars::TimeZone;

/// When a partner gets leads: while any of the windows is open.
#[derive(Clone, Debug, SimpleObject)]
pub struct Schedule {
    /// Time zone of the windows.
    pub timezone: TimeZone,
    /// Windows; one open window is enough.
    pub windows: Vec<ScheduleWindow>,
}

/// Hours on certain days.
#[derive(Clone, Debug, SimpleObject)]
pub struct ScheduleWindow {
    /// Days on which the window opens.
    pub days: Vec<Weekday>,
    /// Opening time, `HH:MM`, inclusive.
    pub from: String,
    /// Closing time, `HH:MM`, exclusive. If not after `from`, it is on the next day; `24:00` is midnight.
    pub to: String,
}

/// When a partner gets leads: while any of the windows is open.
#[derive(Clone, Debug, InputObject)]
pub struct ScheduleInput {
    /// Time zone of the windows.
    pub timezone: TimeZone,
    /// 1 to 50 windows; one open window is enough.
    pub windows: Vec<ScheduleWindowInput>,
}

/// Hours on certain days.
#[derive(Clone, Debug, InputObject)]
pub struct ScheduleWindowInput {
    /// Days on which the window opens, at least one.
    pub days: Vec<Weekday>,
    /// Opening time, `HH:MM`, inclusive.
    pub from: String,
    /// Closing time, `HH:MM`, exclusive. If not after `from`, it is on the next day; `24:00` is midnight.
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
