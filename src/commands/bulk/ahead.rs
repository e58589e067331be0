//! A walk on a connection of its own, some pages ahead of the work on them: the server lists while the
//! work is done, and the work waits for nobody.

use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::Result;

use super::super::{Global, target};
use crate::backend::Connect;
use crate::cache::{Cache, Error, Met};
use crate::pattern::Pattern;

/// Pages that may wait to be worked on.
const PAGES: usize = 3;

/// What is walked over.
pub struct Source<'a> {
    pub connect: &'a Connect,
    pub global: &'a Global,
    pub pattern: &'a Pattern,
    /// As [`Cache::walk`] takes it.
    pub kind: Option<&'a str>,
}

impl Source<'_> {
    /// Walks, hands each page, of at most so many entries, to `look` there and what came of it to `work` here, in
    /// order. What stopped the walk is the last that `work` gets.
    ///
    /// # Errors
    /// That of `work`.
    pub fn ahead<T: Send, R>(
        &self,
        most: usize,
        look: impl Fn(&mut Cache, Vec<Met>) -> Result<T, Error> + Send,
        work: impl FnOnce(&mut dyn Iterator<Item = Result<T>>) -> Result<R>,
    ) -> Result<R> {
        thread::scope(|scope| {
            let (sender, pages) = sync_channel(PAGES);
            scope.spawn(move || {
                let walk = || -> Result<()> {
                    let mut cache = target::open_by(self.connect, self.global)?;
                    let mut walk = cache.walk(self.pattern.clone(), self.kind);
                    while let Some(page) = walk.next(&mut cache)? {
                        let mut page = page.into_iter().peekable();
                        while page.peek().is_some() {
                            let looked = look(&mut cache, page.by_ref().take(most).collect())?;
                            // Nobody works on it any more.
                            if sender.send(Ok(looked)).is_err() {
                                return Ok(());
                            }
                        }
                    }
                    Ok(())
                };
                if let Err(error) = walk() {
                    let _ = sender.send(Err(error));
                }
            });
            work(&mut pages.into_iter())
        })
    }
}
