<?php
// The cheapest PHP answer, without a session: for load.
echo $_SERVER['DWSR_SERVER'], "\n";
