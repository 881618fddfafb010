//! Hours in which leads are routed.

use async_graphql::{InputObject, SimpleObject};
use entity::assignment::{self, Window};

use super::scalars::TimeZone;

/// When a partner gets leads: while any of the windows is open.
#[derive(Clone, Debug, SimpleObject)]
pub struct Schedule {
    /// Time zone of the windows.
    pub timezone: TimeZone,
    /// Windows; one open window is enough.
    pub windows: Vec<Window>,
}

/// When a partner gets leads: while any of the windows is open.
#[derive(Clone, Debug, InputObject)]
pub struct ScheduleInput {
    /// Time zone of the windows.
    pub timezone: TimeZone,
    /// 1 to 50 windows; one open window is enough.
    pub windows: Vec<Window>,
}

impl From<assignment::Schedule> for Schedule {
    fn from(schedule: assignment::Schedule) -> Self {
        Self {
            timezone: schedule.timezone.into(),
            windows: schedule.windows,
        }
    }
}

impl From<ScheduleInput> for assignment::Schedule {
    fn from(input: ScheduleInput) -> Self {
        Self {
            timezone: input.timezone.0,
            windows: input.windows,
        }
    }
}
