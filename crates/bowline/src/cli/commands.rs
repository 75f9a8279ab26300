//! Enums of commands: what a command line may name, and running what it named.

/// Declares an enum of commands whose `run` runs the chosen one.
macro_rules! commands {
    ($name:ident: $($(#[$meta:meta])* $variant:ident($command:ty),)+) => {
        #[derive(clap::Subcommand)]
        pub(crate) enum $name {
            $($(#[$meta])* $variant($command),)+
        }

        impl $name {
            pub(crate) async fn run(self, session: &crate::session::Session) -> anyhow::Result<()> {
                match self {
                    $(Self::$variant(command) => command.run(session).await,)+
                }
            }
        }
    };
}

pub(crate) use commands;
