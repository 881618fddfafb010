//! What the delivery path survives: processes and stores that are killed under load. The server runs as the real program in
//! processes of its own, its stores are this test's alone, and the time is real. Each test ends by comparing what was
//! acknowledged with what the database says and with what the partner's endpoint has seen.

mod ahead;
mod backlog;
mod clocks;
mod company;
mod ended;
mod endure;
mod frozen;
mod gaps;
mod hanging;
mod hangups;
mod http2;
mod killed;
mod killer;
mod ledger;
mod load;
mod mail_tls;
mod postgres;
mod process;
mod proxy;
mod redis;
mod slow;
mod stopped;
mod stores;
mod streams;
mod target;
mod traces;
mod unruly;
mod worker;
mod world;
