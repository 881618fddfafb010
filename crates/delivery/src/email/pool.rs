//! Idle connections to mail servers, kept for a moment in case another mail follows.
//!
//! Bounded per server and in all; a connection that finds no room is closed. Mail servers count open connections, so
//! none is kept longer than it takes a burst of leads to pass.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use ring::digest;
use tokio::time::{Instant, sleep};

use entity::smtp_settings::{SmtpAuth, SmtpSecurity};

use super::{SmtpServer, session::Session};

const MOST_IDLE: usize = 128;
const MOST_IDLE_PER_SERVER: usize = 16;
const IDLE: Duration = Duration::from_secs(20);

/// A fingerprint of everything a connection depends on: with another password it is another connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; digest::SHA256_OUTPUT_LEN]);

impl Key {
    pub(super) fn of(server: &SmtpServer) -> Self {
        let security: &[u8] = match server.security {
            SmtpSecurity::Starttls => b"starttls",
            SmtpSecurity::Tls => b"tls",
            SmtpSecurity::None => b"none",
        };
        let mut context = digest::Context::new(&digest::SHA256);
        let port = server.port.to_be_bytes();
        let login = server.login.as_ref();
        let user = login.map_or("", |(user, _)| user).as_bytes();
        let password = login.map_or("", |(_, password)| password).as_bytes();
        for part in [
            server.host.as_bytes(),
            &port,
            security,
            &[u8::from(login.is_some()), u8::from(server.auth == SmtpAuth::Xoauth2)],
            user,
            password,
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; digest::SHA256_OUTPUT_LEN];
        for (to, from) in key.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(key)
    }
}

#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    sessions: HashMap<Key, Vec<(Instant, Session)>>,
    count: usize,
    swept: bool,
}

impl Pool {
    /// The connection that was used last, if one is left.
    pub(super) fn take(&self, key: &Key) -> Option<Session> {
        let mut idle = self.lock();
        let (_, session) = idle.sessions.get_mut(key)?.pop()?;
        idle.count -= 1;
        Some(session)
    }

    /// Keeps a connection if there is room for it.
    pub(super) fn put(&self, key: Key, session: Session) {
        let mut idle = self.lock();
        if idle.count >= MOST_IDLE {
            return;
        }
        let same = idle.sessions.entry(key).or_default();
        if same.len() >= MOST_IDLE_PER_SERVER {
            return;
        }
        same.push((Instant::now(), session));
        idle.count += 1;
        if !idle.swept {
            idle.swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        lock(&self.0)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} idle)", self.lock().count)
    }
}

impl Idle {
    fn drop_older_than(&mut self, age: Duration) {
        self.sessions.retain(|_, sessions| {
            sessions.retain(|(since, _)| since.elapsed() < age);
            !sessions.is_empty()
        });
        self.count = self.sessions.values().map(Vec::len).sum();
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs while there is something to close, and ends with the pool.
async fn sweep(pool: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = lock(&pool);
        idle.drop_older_than(IDLE);
        if idle.count == 0 {
            idle.swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::extension::ClientId;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::guard::Guard;

    /// An open session with a server that greets and says no more.
    async fn session() -> Session {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 hello\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 512]).await.unwrap();
            stream.write_all(b"250 hello\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let here = SmtpServer {
            host: "127.0.0.1".into(),
            port,
            security: SmtpSecurity::None,
            login: None,
            ..server()
        };
        let hello = ClientId::Domain("here.test".into());
        Session::open(&Guard::new(vec!["127.0.0.0/8".parse().unwrap()]), &here, &hello)
            .await
            .unwrap()
    }

    fn key(number: usize) -> Key {
        Key::of(&SmtpServer {
            host: number.to_string(),
            ..server()
        })
    }

    #[tokio::test]
    async fn a_pool_is_bounded_per_server_and_in_all() {
        let pool = Pool::default();
        for _ in 0..=MOST_IDLE_PER_SERVER {
            pool.put(key(0), session().await);
        }
        assert_eq!(pool.lock().count, MOST_IDLE_PER_SERVER);
        for number in 1..=MOST_IDLE {
            pool.put(key(number), session().await);
        }
        assert_eq!(pool.lock().count, MOST_IDLE);
        assert!(pool.take(&key(0)).is_some() && pool.take(&key(MOST_IDLE)).is_none());
        assert_eq!(pool.lock().count, MOST_IDLE - 1);
    }

    #[tokio::test]
    async fn connections_that_idle_too_long_are_dropped() {
        let pool = Pool::default();
        pool.put(key(1), session().await);
        pool.lock().drop_older_than(IDLE);
        assert_eq!(pool.lock().count, 1);
        pool.lock().drop_older_than(Duration::ZERO);
        let idle = pool.lock();
        assert_eq!((idle.count, idle.sessions.len()), (0, 0));
    }

    fn server() -> SmtpServer {
        SmtpServer {
            host: "mail.test".into(),
            port: 587,
            security: SmtpSecurity::Starttls,
            auth: SmtpAuth::Password,
            login: Some(("user".into(), "password".into())),
            from_name: None,
            from_address: "a@b.test".into(),
            reply_to: None,
        }
    }

    #[test]
    fn whatever_a_connection_depends_on_changes_its_key() {
        let usual = Key::of(&server());
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for other in [
            SmtpServer {
                host: "mail2.test".into(),
                ..server()
            },
            SmtpServer { port: 25, ..server() },
            SmtpServer {
                security: SmtpSecurity::Tls,
                ..server()
            },
            SmtpServer {
                login: None,
                ..server()
            },
            SmtpServer {
                login: login("user", "other"),
                ..server()
            },
            SmtpServer {
                login: login("userp", "assword"),
                ..server()
            },
        ] {
            assert!(Key::of(&other) != usual, "{other:?}");
        }
        assert!(
            Key::of(&SmtpServer {
                from_address: "c@d.test".into(),
                ..server()
            }) == usual
        );
    }
}
