<?php
// Says nothing at all for s seconds (default 1), then answers.
$seconds = (float) ($_GET['s'] ?? 1);
usleep((int) ($seconds * 1e6));
echo $_SERVER['DWSR_SERVER'], ' answered after ', $seconds, " s\n";
